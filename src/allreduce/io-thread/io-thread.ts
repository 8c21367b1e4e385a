// What an I/O thread runs: it opens its own connections, and what it holds beside them is shared with the training thread.

import { type MessagePort, workerData } from "node:worker_threads";
import { type CollectiveJob, openJob } from "../collective-job.ts";
import { serveCollective } from "./serve-collective.ts";

serveCollective(workerData as MessagePort, (job: CollectiveJob, onLate) => openJob(job, process.env, onLate));
