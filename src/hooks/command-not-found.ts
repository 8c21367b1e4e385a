// An unknown command is told with the one that was meant.

import { Errors, type Hook } from "@oclif/core";
import { nearestName } from "../nearest-name.ts";

const commandNotFound: Hook<"command_not_found"> = ({ id, config }) => {
  const typed = id.replaceAll(":", " ");
  const names = config.commandIDs.map((name) => name.replaceAll(":", " ")).sort();
  // `train extra` is the command train with an argument that it does not take.
  const near = names.find((name) => typed.startsWith(`${name} `)) ?? nearestName(typed, names);
  const suggestion = near === undefined ? "Run sltrain --help." : `Did you mean sltrain ${near}?`;
  const error = new Errors.CLIError(`expected one of the commands ${names.join(", ")}, got ${typed}`, {
    exit: 2,
  });
  return Promise.reject(Object.assign(error, { code: "command-unknown", suggestions: [suggestion] }));
};

export default commandNotFound;
