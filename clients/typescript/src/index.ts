/** Client of the strategy-optimizer service: every route with its types, and the websockets of tasks. */
import createClient, { type Client as FetchClient } from "openapi-fetch";

import type { components, paths } from "./schema.js";

export type { components, operations, paths } from "./schema.js";

type Schemas = components["schemas"];
export type Task = Schemas["TaskOut"];
export type TaskIn = Schemas["TaskIn"];
export type Result = Schemas["ResultModel"];
export type Status = Schemas["StatusOut"];
export type Problem = Schemas["ProblemModel"];
export type Frame = Schemas["Frame"];
export type Channel = Schemas["SnapshotFrame"]["channel"];

export interface Access {
  /** Such as `http://127.0.0.1:8000`. */
  url: string;
  /** An API key; pages that have a session cookie need none. */
  key?: string;
}

export interface Watching {
  /** Go on after this event; by default there is a snapshot first. */
  after?: number;
  /** Ends the watching. */
  signal?: AbortSignal;
  /** How often a connection that is lost is made anew without a frame in between; by default 8 times. */
  attempts?: number;
}

/** The service refused, and said why. */
export class ServiceError extends Error {
  override readonly name = "ServiceError";

  constructor(
    readonly status: number,
    readonly problem: Problem | undefined,
  ) {
    super(problem?.detail ?? `the service answered ${status}`);
  }
}

export type Client = FetchClient<paths>;

/** Return a client of all routes: `client.GET("/api/v1/optimize/{task_id}", {params: {path: {task_id}}})`. */
export function connect({ url, key }: Access): Client {
  const headers = key === undefined ? {} : { Authorization: `Bearer ${key}` };
  return createClient<paths>({ baseUrl: withoutSlash(url), headers, credentials: "same-origin" });
}

/** Return the data of an answer, or throw what the service said. */
export async function dataOf<T>(
  answer: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T> {
  const { data, error, response } = await answer;
  if (!response.ok) throw new ServiceError(response.status, asProblem(error));
  return data as T;
}

/**
 * Yield the frames of a task until it has ended: no event is left out and none comes twice, also when connections are
 * lost on the way.
 */
export async function* watch(
  access: Access,
  taskId: string,
  channel: Channel = "progress",
  { after, signal, attempts = 8 }: Watching = {},
): AsyncGenerator<Frame, void, undefined> {
  let seq = after;
  let failed = 0;
  while (!signal?.aborted) {
    let closed: { code: number; reason: string };
    try {
      const socket = new WebSocket(await addressOf(access, taskId, channel, seq));
      const frames = framesOf(socket, signal);
      for (;;) {
        const next = await frames.next();
        if (next.done) {
          closed = next.value;
          break;
        }
        failed = 0;
        seq = next.value.seq;
        yield next.value;
        if (next.value.type === "end") return;
      }
    } catch (error) {
      if (error instanceof ServiceError && isFinal(error.status)) throw error;
      closed = { code: 1006, reason: String(error) };
    }
    if (signal?.aborted) return;
    if (isFinal(closed.code - 4000) || closed.code === 1008 || closed.code === 1009)
      throw new ServiceError(closed.code >= 4000 ? closed.code - 4000 : closed.code, undefined);
    if (closed.code === 1006) await check(access, taskId);
    failed += 1;
    if (failed > attempts) throw new Error(`the socket of ${taskId} does not stay open: ${closed.code} ${closed.reason}`);
    await pause(Math.min(10_000, 100 * 2 ** failed) * (0.5 + Math.random() / 2), signal);
  }
}

/** Throw when the task is not there for the caller: outside of pages a socket that is refused does not say why. */
async function check(access: Access, taskId: string): Promise<void> {
  const params = { path: { task_id: taskId } };
  try {
    await dataOf(connect(access).GET("/api/v1/optimize/{task_id}/status", { params }));
  } catch (error) {
    if (error instanceof ServiceError && isFinal(error.status)) throw error;
  }
}

/** Return the address of a socket, with a ticket of its own: browsers cannot send a key with a socket. */
async function addressOf(access: Access, taskId: string, channel: Channel, seq: number | undefined): Promise<string> {
  const { ticket } = await dataOf(connect(access).POST("/api/v1/ws-tickets"));
  const query = new URLSearchParams({ ticket, ...(seq === undefined ? {} : { after: String(seq) }) });
  const origin = withoutSlash(access.url).replace(/^http/, "ws");
  return `${origin}/ws/optimize/${encodeURIComponent(taskId)}/${channel}?${query}`;
}

/** Yield what a socket receives, in order; return how it closed. */
async function* framesOf(
  socket: WebSocket,
  signal: AbortSignal | undefined,
): AsyncGenerator<Frame, { code: number; reason: string }, undefined> {
  const waiting: Frame[] = [];
  let closed: { code: number; reason: string } | undefined;
  let wake = (): void => undefined;
  socket.onmessage = (message: MessageEvent<string>) => {
    waiting.push(JSON.parse(message.data) as Frame);
    wake();
  };
  socket.onclose = ({ code, reason }: CloseEvent) => {
    closed = { code, reason };
    wake();
  };
  const abort = (): void => socket.close(1000);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    for (;;) {
      const next = waiting.shift();
      if (next !== undefined) yield next;
      else if (closed !== undefined) return closed;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    signal?.removeEventListener("abort", abort);
    socket.close();
  }
}

/** Whether asking again cannot help: the key or the task is not there. */
function isFinal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

function asProblem(value: unknown): Problem | undefined {
  return typeof value === "object" && value !== null && "detail" in value ? (value as Problem) : undefined;
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, "");
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal?.addEventListener("abort", end, { once: true });
  });
}
