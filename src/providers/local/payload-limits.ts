// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, read 2026: "6 MB each for request and response
// (synchronous)", "1 MB for the request (asynchronous)".

export const MAX_SYNC_BYTES = 6 << 20;
export const MAX_EVENT_BYTES = 1 << 20;
