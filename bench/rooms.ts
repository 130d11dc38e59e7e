/** Scenario `rooms`: 1,000 connections in 100 rooms of ten, and everyone publishes to their room. */
import type { ServerAddress } from "./load/job.ts";
import type { RoomsJob, RoomsResult } from "./load/rooms-load.ts";
import { load } from "./load-process.ts";
import { interleaveServers, type Report, type Sample, type Sitting } from "./scenario.ts";

/**
 * Messages of each connection. One is what a room of people does. Three is where raw uWebSockets.js is best: ten members
 * with four are more than 32 publications for a subscriber in one turn of raw, which then sends each by itself, as with
 * eight.
 */
const inFlight = [1, 3, 8];

export async function rooms(sitting: Sitting): Promise<Report> {
  const runs = await interleaveServers(sitting, "rooms", async (server) => {
    const samples: Sample[] = [];
    for (const count of inFlight) samples.push(...(await measureRooms(server, sitting, count)));
    return samples;
  });
  return { title: "1,000 connections in 100 rooms of ten, all publish", baseline: "raw", runs };
}

/** The messages that come in; ten times as many go out. */
export async function measureRooms(server: ServerAddress, { isQuick }: Sitting, count: number): Promise<Sample[]> {
  const times = isQuick ? { warmUpMs: 300, measuredMs: 400 } : { warmUpMs: 1000, measuredMs: 1500 };
  const job: RoomsJob = { server, rooms: 100, membersPerRoom: 10, inFlight: count, ...times };
  const { messagesPerSecond, cpu, lost } = await load<RoomsResult>("rooms-load", job);
  return [{ figure: `messages in/s, ${count} in flight`, value: messagesPerSecond, cpu, mustSaturate: true, lost }];
}
