/** Scenario `rooms`: 1,000 connections in 100 rooms of ten, and everyone publishes to their room. */
import type { ServerAddress } from "./load/job.ts";
import type { RoomsJob, RoomsResult } from "./load/rooms-load.ts";
import { load } from "./load-process.ts";
import { interleaveServers, type Report, type Sample, type Sitting } from "./scenario.ts";

/**
 * Messages of each connection. Three, since ten members with four are more than 32 publications for a subscriber in one
 * turn of raw uWebSockets.js, which then sends each by itself: 184,000 messages/s fall to 135,000, and with eight to 55,000.
 * The peer that is the limit is measured where it is at its best.
 */
const inFlight = 3;

export async function rooms(sitting: Sitting): Promise<Report> {
  const runs = await interleaveServers(sitting, "rooms", (server) => measureRooms(server, sitting));
  return { title: "1,000 connections in 100 rooms of ten, all publish", baseline: "raw", runs };
}

export async function measureRooms(server: ServerAddress, { isQuick }: Sitting): Promise<Sample[]> {
  const times = isQuick ? { warmUpMs: 300, measuredMs: 500 } : { warmUpMs: 1000, measuredMs: 2500 };
  const job: RoomsJob = { server, rooms: 100, membersPerRoom: 10, inFlight, ...times };
  const { messagesPerSecond, deliveriesPerSecond, cpu, lost } = await load<RoomsResult>("rooms-load", job);
  const shares = { cpu, mustSaturate: true };
  return [
    { figure: "messages in/s", value: messagesPerSecond, ...shares, lost },
    { figure: "deliveries/s", value: deliveriesPerSecond, ...shares },
  ];
}
