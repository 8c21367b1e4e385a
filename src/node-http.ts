// node:http where a start counts: an `import` of it makes Node fill in all that it exports, and with it load its own
// undici, for a WebSocket that nobody asked for: 45 ms and 12 MB. Asked for by a call, the same module comes without.

export const { Agent, createServer, request } = process.getBuiltinModule("node:http");
