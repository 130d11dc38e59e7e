/**
 * Sends what waits in one queue to its receiver: one batch at a time, in order, again and again until it is taken or
 * never will be.
 *
 * The rule: a receiver that is away loses nothing, it is waited for as long as events may wait. Only an answer that says
 * something about a batch counts against it.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { HttpPost, type Receiver } from "../callout/http-post.ts";
import type { Log } from "../log/log.ts";
import { unixTime } from "./event.ts";
import type { Queue, Waiting } from "./queue.ts";
import { type Answer, type Outcome, post } from "./request.ts";
import type { WebhookLimits } from "./webhook-options.ts";

export interface SenderOptions extends Pick<WebhookLimits, "attemptsMax" | "maxAgeSeconds" | "retryMaxSeconds"> {
  readonly batchMax: number;
}

export interface SenderEvents {
  /** A request has ended. */
  attempted(outcome: Outcome): void;
  delivered(events: number): void;
  buried(events: number): void;
}

const pollMs = 50;
const retryMinMs = 200;
/** Where the queue itself cannot be used. */
const troubleMs = 500;

export class Sender {
  readonly #options: SenderOptions;
  readonly #queue: Queue;
  readonly #receiver: Receiver;
  readonly #log: Log;
  readonly #events: SenderEvents;
  readonly #http = new HttpPost({ "user-agent": "tidegate-webhooks" });
  readonly #running: Promise<void>;
  #isStopping = false;
  #isOver = false;
  #isFailing = false;

  constructor(options: SenderOptions, queue: Queue, receiver: Receiver, log: Log, events: SenderEvents) {
    this.#options = options;
    this.#queue = queue;
    this.#receiver = receiver;
    this.#log = log;
    this.#events = events;
    this.#running = this.#run();
  }

  /**
   * Ends within `withinMs`. What waits is sent until then, as far as the receiver takes it at once; where it outlives the
   * process, only what is under way.
   */
  async stop(withinMs: number): Promise<void> {
    this.#isStopping = true;
    const timer = setTimeout(() => this.#end(), withinMs);
    await this.#running;
    clearTimeout(timer);
    this.#end();
  }

  #end(): void {
    this.#isOver = true;
    this.#http.stop();
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      if (this.#isStopping && this.#queue.isLasting) return;
      try {
        const batch = await this.#withoutExpired(await this.#queue.next(this.#options.batchMax));
        if (batch.length > 0) await this.#deliver(batch);
        else if (this.#isStopping) return;
        else await this.#pause(pollMs);
      } catch {
        if (this.#isStopping) return;
        await this.#pause(troubleMs); // the queue's owner has said why
      }
    }
  }

  /** Returns when the batch is settled, or no longer this process' to send. */
  async #deliver(batch: readonly Waiting[]): Promise<void> {
    const { attemptsMax, retryMaxSeconds } = this.#options;
    const body = bodyOf(batch);
    let failures = 0;
    for (let attempt = 1; this.#queue.isSender && !this.#isOver; attempt += 1) {
      const { outcome, reason, retryAfterMs } = await this.#attempt(body);
      if (outcome === "delivered") {
        this.#events.delivered(batch.length);
        return this.#queue.delivered(batch);
      }
      if (outcome === "failed") failures += 1;
      if (outcome === "refused" || failures >= attemptsMax) return this.#bury(batch, reason);
      if (this.#isStopping) return this.#end(); // whoever is next goes on
      const backoffMs = Math.min(retryMaxSeconds * 1000, retryMinMs * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2);
      await this.#pause(Math.max(backoffMs, retryAfterMs));
      if ((await this.#withoutExpired(batch)).length < batch.length) return; // the rest is another batch
    }
  }

  async #attempt(body: string): Promise<Answer> {
    const answer = await post(this.#http, this.#receiver, body);
    this.#events.attempted(answer.outcome);
    const isFailing = answer.outcome === "failed" || answer.outcome === "away";
    if (isFailing !== this.#isFailing && !this.#isStopping) {
      if (isFailing) this.#log.warn({ reason: answer.reason }, "webhook failed: its events wait");
      else this.#log.info({}, "webhook is back: its events are sent");
      this.#isFailing = isFailing;
    }
    return answer;
  }

  async #withoutExpired(batch: readonly Waiting[]): Promise<readonly Waiting[]> {
    const bornMs = Date.now() - this.#options.maxAgeSeconds * 1000;
    const expired = batch.filter(({ sinceMs }) => sinceMs < bornMs);
    if (expired.length === 0) return batch;
    await this.#bury(expired, "too old");
    return batch.slice(expired.length);
  }

  async #bury(events: readonly Waiting[], reason: string): Promise<void> {
    await this.#queue.bury(events, reason);
    this.#events.buried(events.length);
    this.#log.warn({ reason, events: events.length }, "webhook events are dead letters: they are not sent again");
  }

  /** Ends early when it is to be stopped. */
  async #pause(ms: number): Promise<void> {
    const untilMs = performance.now() + ms;
    while (!this.#isStopping && performance.now() < untilMs)
      await sleep(Math.min(pollMs, Math.max(1, untilMs - performance.now())), undefined, { ref: false });
  }
}

const bodyOf = (batch: readonly Waiting[]): string =>
  `{"id":"${randomUUID()}","time":${unixTime()},"events":[${batch.map(({ json }) => json).join(",")}]}`;
