/**
 * @file `node without-sockets.js ARGUMENTS...` runs `node ARGUMENTS...` so that Linux ends it with SIGSYS (exit code
 * 159) as soon as any of its threads, or a child of it, asks for a socket: a connection and a look-up of a name both
 * begin with one. Those that only ask the kernel itself (AF_NETLINK) are let be.
 */

import { spawnSync } from "node:child_process";
import { constants } from "node:os";
import koffi from "koffi";

/** AUDIT_ARCH_* of linux/audit.h, and the number of the system call `socket`. */
const MACHINES = { x64: [0xc000003e, 41], arm64: [0xc00000b7, 198] };
const [architecture, socket] = MACHINES[process.arch];

// linux/filter.h: load a word of seccomp_data, jump if equal, return.
const [LOAD, JUMP, RETURN] = [0x20, 0x15, 0x06];
const [NUMBER, ARCHITECTURE, FIRST_ARGUMENT] = [0, 4, 16];
const AF_NETLINK = 16;
const [KILL_PROCESS, ALLOW] = [0x80000000, 0x7fff0000];
/** Code, jump if true, jump if false, operand. */
const program = [
  [LOAD, 0, 0, ARCHITECTURE],
  [JUMP, 0, 5, architecture],
  [LOAD, 0, 0, NUMBER],
  [JUMP, 0, 3, socket],
  [LOAD, 0, 0, FIRST_ARGUMENT],
  [JUMP, 1, 0, AF_NETLINK],
  [RETURN, 0, 0, KILL_PROCESS],
  [RETURN, 0, 0, ALLOW],
];

const filter = Buffer.alloc(8 * program.length);
for (const [i, [code, whenTrue, whenFalse, operand]] of program.entries()) {
  filter.writeUInt16LE(code, 8 * i);
  filter.writeUInt8(whenTrue, 8 * i + 2);
  filter.writeUInt8(whenFalse, 8 * i + 3);
  filter.writeUInt32LE(operand, 8 * i + 4);
}
const description = Buffer.alloc(16);
description.writeUInt16LE(program.length);
description.writeBigUInt64LE(koffi.address(filter), 8);

const [PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER] = [38, 22, 2];
const prctl = koffi.load(null).func("int prctl(int option, size_t a, const void *b, size_t c, size_t d)");
if (prctl(PR_SET_NO_NEW_PRIVS, 1, null, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, description, 0, 0)) {
  throw new Error("this kernel installs no filter of system calls");
}

// The filter is this thread's; a child that it starts inherits it for every thread.
const { status, signal } = spawnSync(process.execPath, process.argv.slice(2), { stdio: "inherit" });
process.exitCode = status ?? 128 + constants.signals[signal];
