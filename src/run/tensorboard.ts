/**
 * @file TensorBoard event files with scalars: TFRecord frames around `Event` messages.
 * Frame: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
 * Messages: https://github.com/tensorflow/tensorboard/tree/master/tensorboard/compat/proto (event, summary)
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { openAppendFile } from "../io/append-file.js";
import { fileFault } from "../io/file-fault.js";

export interface EventLog {
  /** Appends the scalars of one step under their tags, e.g. `loss/recon`. Throws `InputError` when the disk is full. */
  scalars(step: number, values: Readonly<Record<string, number>>): void;
  close(): void;
}

/** Table of CRC-32C (Castagnoli), reflected polynomial 0x82f63b78. */
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** CRC-32C of bytes, unsigned. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Rotated by 15 bits and shifted by a constant, so that a checksum of data that holds checksums stays a good one. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** `u64 length | u32 masked CRC of length | data | u32 masked CRC of data`, little-endian. */
function frame(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(16 + data.length);
  const view = new DataView(out.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc(out.subarray(0, 8)), true);
  out.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc(data), true);
  return out;
}

/** Event { double wall_time = 1; int64 step = 2; ... } with one further field, written by `what`. */
function event(step: number, what: (writer: BinaryWriter) => BinaryWriter): Uint8Array {
  const writer = new BinaryWriter().tag(1, WireType.Bit64).double(Date.now() / 1000);
  return frame(what(writer.tag(2, WireType.Varint).int64(step)).finish());
}

/** string file_version = 3 */
function version(writer: BinaryWriter): BinaryWriter {
  return writer.tag(3, WireType.LengthDelimited).string("brain.Event:2");
}

/** SessionLog session_log = 7 { SessionStatus status = 1 } with START = 1. */
function sessionStart(writer: BinaryWriter): BinaryWriter {
  return writer.tag(7, WireType.LengthDelimited).fork().tag(1, WireType.Varint).int32(1).join();
}

/** Summary summary = 5 { repeated Value value = 1 { string tag = 1; float simple_value = 2 } } */
function summary(writer: BinaryWriter, values: Readonly<Record<string, number>>): BinaryWriter {
  writer.tag(5, WireType.LengthDelimited).fork();
  for (const [tag, value] of Object.entries(values)) {
    writer.tag(1, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(tag).tag(2, WireType.Bit32).float(Math.fround(value)).join();
  }
  return writer.join();
}

/** TensorBoard reads a run's files in the order of their names, and knows them by `tfevents`. */
function fileName(): string {
  const [seconds, milliseconds] = (Date.now() / 1000).toFixed(3).split(".");
  return `events.out.tfevents.${seconds}.${milliseconds}.${process.pid}`;
}

/**
 * Starts a new event file in a directory, which is made if need be. A session start at the step after `lastStep` makes
 * TensorBoard drop what earlier files hold from there on, so that a resumed run shows every step once.
 * @param lastStep the step of the checkpoint that the run resumes from, 0 for a new run
 * @throws InputError when the file cannot be written
 */
export function openEventLog(directory: string, lastStep: number): EventLog {
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw fileFault(error, directory, "a folder that can be written");
  }
  const file = openAppendFile(join(directory, fileName()));
  file.append(event(0, version));
  if (lastStep > 0) file.append(event(lastStep + 1, sessionStart));
  return {
    scalars: (step, values) => file.append(event(step, (writer) => summary(writer, values))),
    close: () => file.close(),
  };
}
