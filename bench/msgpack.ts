/** Scenario `msgpack`: `rooms` on Tidegate, where all speak JSON, and where all speak MessagePack. */
import { measureRooms } from "./rooms.ts";
import { interleaveServers, type Report, type Sitting } from "./scenario.ts";
import { tidegate } from "./servers.ts";

const formats = [
  { ...tidegate, name: "json" },
  { ...tidegate, name: "msgpack", dialect: "tidegate-msgpack" },
];

export async function msgpack(sitting: Sitting): Promise<Report> {
  const runs = await interleaveServers(sitting, "msgpack", (server) => measureRooms(server, sitting, 3), formats);
  return { title: "rooms on tidegate, in JSON and in MessagePack", baseline: "json", runs };
}
