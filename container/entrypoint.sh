#!/bin/sh
# A function where there is a Runtime API to ask for events, as Lambda's images are; else the command-line tool.
set -eu
root=/opt/sltrain
if [ -n "${AWS_LAMBDA_RUNTIME_API:-}" ]; then
  # What the handler is told of its memory, where nobody has said.
  export AWS_LAMBDA_FUNCTION_MEMORY_SIZE="${AWS_LAMBDA_FUNCTION_MEMORY_SIZE:-1769}"
  exec node "$root/dist/src/providers/local/runtime.js"
fi
exec node "$root/bin/run.js" "$@"
