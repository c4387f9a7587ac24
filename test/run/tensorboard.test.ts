import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { crc32c, openEventLog } from "../../src/run/tensorboard.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

/** CRC-32C bit by bit, masked as TFRecord does. */
function maskedCrc(bytes: Uint8Array): number {
  let crc = 0xffffffffn;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ 0x82f63b78n : crc >> 1n;
  }
  crc ^= 0xffffffffn;
  return Number((((crc >> 15n) | (crc << 17n)) + 0xa282ead8n) & 0xffffffffn);
}

/** The messages of an event file, with both checksums of each compared. */
function frames(path: string): Buffer[] {
  const file = readFileSync(path);
  const found: Buffer[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    expect(file.readUInt32LE(at + 8)).toBe(maskedCrc(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(file.readUInt32LE(at + 12 + length)).toBe(maskedCrc(data));
    found.push(data);
    at += 16 + length;
  }
  return found;
}

/** The fields of a protobuf message: varints as bigint, the rest as bytes. */
function fields(message: Buffer): [number, bigint | Buffer][] {
  const out: [number, bigint | Buffer][] = [];
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = Number(varint());
    const type = tag & 7;
    if (type === 0) out.push([tag >> 3, varint()]);
    else {
      const length = type === 1 ? 8 : type === 5 ? 4 : Number(varint());
      out.push([tag >> 3, message.subarray(at, at + length)]);
      at += length;
    }
  }
  return out;
}

interface Event {
  wallTime: number;
  step: number;
  version?: string;
  sessionStatus?: number;
  scalars: Record<string, number>;
}

function parseEvent(message: Buffer): Event {
  const event: Event = { wallTime: 0, step: 0, scalars: {} };
  for (const [field, value] of fields(message)) {
    if (field === 1) event.wallTime = (value as Buffer).readDoubleLE();
    if (field === 2) event.step = Number(value);
    if (field === 3) event.version = String(value);
    if (field === 7) event.sessionStatus = Number(fields(value as Buffer)[0][1]);
    if (field !== 5) continue;
    for (const [, scalar] of fields(value as Buffer)) {
      const [[, tag], [, number]] = fields(scalar as Buffer);
      event.scalars[String(tag)] = (number as Buffer).readFloatLE();
    }
  }
  return event;
}

const eventsIn = (directory: string) =>
  readdirSync(directory)
    .sort()
    .flatMap((name) => {
      expect(name).toMatch(/^events\.out\.tfevents\.\d{10}\.\d{3}\.\d+$/);
      return frames(join(directory, name)).map(parseEvent);
    });

/** What TensorBoard shows: a session start at step s drops what was read before of step s and later. */
function shown(events: readonly Event[]): [number, number][] {
  let kept: Event[] = [];
  for (const event of events) {
    if (event.sessionStatus === 1) kept = kept.filter(({ step }) => step < event.step);
    else if ("loss" in event.scalars) kept.push(event);
  }
  return kept.map(({ step, scalars }) => [step, scalars.loss]);
}

it("CRC-32C agrees with the vectors of RFC 3720, B.4", () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(crc32c(ascending)).toBe(0x46dd794e);
  expect(crc32c(ascending.toReversed())).toBe(0x113fdb5c);
  expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe3069283);
});

it("a file begins with its version and holds the scalars of every step", () => {
  const directory = temporaryDirectory();
  const before = Date.now() / 1000;
  const log = openEventLog(directory, 0);
  log.scalars(1, { loss: 0.5, "loss/größer": -2 });
  log.scalars(2 ** 40, { loss: Number.NaN, high: 1e300, low: -Infinity });
  log.close();
  const [first, second, third] = eventsIn(directory);
  expect(first).toMatchObject({ version: "brain.Event:2", scalars: {} });
  expect(second).toMatchObject({ step: 1, scalars: { loss: 0.5, "loss/größer": -2 } });
  expect(third).toMatchObject({ step: 2 ** 40, scalars: { loss: Number.NaN, high: Infinity, low: -Infinity } });
  expect(second.wallTime).toBeGreaterThanOrEqual(before);
  expect(second.wallTime).toBeLessThanOrEqual(Date.now() / 1000);
});

it("a resumed run shows every step once, with the later value", async () => {
  const directory = temporaryDirectory();
  const log = (from: number, to: number, loss: number) => {
    const events = openEventLog(directory, from - 1);
    for (let step = from; step <= to; step++) events.scalars(step, { loss });
    events.close();
  };
  log(1, 5, 1); // killed at 5, checkpoint at 3
  await new Promise((resolve) => setTimeout(resolve, 5)); // a new file name
  log(4, 6, 2);
  expect(shown(eventsIn(directory))).toEqual([
    [1, 1],
    [2, 1],
    [3, 1],
    [4, 2],
    [5, 2],
    [6, 2],
  ]);
});
