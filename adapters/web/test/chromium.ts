// Headless Chromium, driven through a pipe by its DevTools protocol.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

const BROWSER = "chromium-headless-shell";
const OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-proxy-server", "--hide-scrollbars", "--force-color-profile=srgb", "--remote-debugging-pipe"];

type Message = { id?: number; method?: string; params?: any; result?: any; error?: { message: string }; sessionId?: string };

/** The program, with one page. */
export class Chromium {
  readonly #process: ChildProcess;
  readonly #profile: string;
  readonly #waiting = new Map<number, (message: Message) => void>();
  readonly #listeners = new Set<(message: Message) => void>();
  #session = "";
  #last = 0;
  /** What the page complained of: exceptions, violations of its policy, and messages of the console. */
  readonly complaints: string[] = [];
  /** The addresses that the page asked for. */
  readonly requests: string[] = [];

  private constructor() {
    this.#profile = mkdtempSync(join(tmpdir(), "chatpb-page-"));
    // Debian's program is a script, which starts the browser: both are ended as one group.
    this.#process = spawn(BROWSER, [...OPTIONS, `--user-data-dir=${this.#profile}`, "about:blank"], {
      detached: true,
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    });
    let pending = "";
    (this.#process.stdio[4] as Readable).setEncoding("utf8").on("data", (text: string) => {
      const parts = (pending + text).split("\0");
      pending = parts.pop()!;
      parts.forEach((part) => this.#take(JSON.parse(part) as Message));
    });
  }

  static async start(): Promise<Chromium> {
    const chromium = new Chromium();
    const failed = once(chromium.#process, "exit").then(([code]) => Promise.reject(new Error(`${BROWSER} ended with ${code}`)));
    failed.catch(() => {});
    await Promise.race([chromium.#attach(), failed]);
    return chromium;
  }

  async #attach(): Promise<void> {
    const { targetInfos } = await this.#send("Target.getTargets");
    const page = (targetInfos as { type: string; targetId: string }[]).find(({ type }) => type === "page")!;
    const { sessionId } = await this.#send("Target.attachToTarget", { targetId: page.targetId, flatten: true });
    this.#session = sessionId as string;
    for (const domain of ["Page", "Runtime", "Log", "Network"]) {
      await this.send(`${domain}.enable`);
    }
  }

  #take(message: Message): void {
    if (message.id !== undefined) {
      this.#waiting.get(message.id)?.(message);
      this.#waiting.delete(message.id);
      return;
    }
    const { method, params } = message;
    if (method === "Runtime.exceptionThrown") {
      this.complaints.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    } else if (method === "Log.entryAdded" || method === "Runtime.consoleAPICalled") {
      this.complaints.push(params.entry?.text ?? JSON.stringify(params.args));
    } else if (method === "Network.requestWillBeSent") {
      this.requests.push(params.request.url as string);
    }
    this.#listeners.forEach((listener) => listener(message));
  }

  #send(method: string, params: object = {}, sessionId?: string): Promise<any> {
    const id = ++this.#last;
    (this.#process.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) })}\0`);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ result, error }) => (error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result)));
    });
  }

  send(method: string, params: object = {}): Promise<any> {
    return this.#send(method, params, this.#session);
  }

  /** Wait for an event of the page. */
  event(method: string): Promise<any> {
    return new Promise((resolve) => {
      const listener = (message: Message): void => {
        if (message.method === method) {
          this.#listeners.delete(listener);
          resolve(message.params);
        }
      };
      this.#listeners.add(listener);
    });
  }

  /** Return the value of an expression, which may be a promise. */
  async evaluate<T = any>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true, userGesture: true });
    if (exceptionDetails !== undefined) {
      throw new Error(`${expression.slice(0, 200)}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    }
    return result.value as T;
  }

  async navigate(url: string): Promise<void> {
    const loaded = this.event("Page.loadEventFired");
    await this.send("Page.navigate", { url: "about:blank" });
    await loaded;
    const again = this.event("Page.loadEventFired");
    await this.send("Page.navigate", { url });
    await again;
  }

  async key(key: string, code = 0): Promise<void> {
    const text = key.length === 1 ? { text: key } : key === "Enter" ? { text: "\r" } : {};
    await this.send("Input.dispatchKeyEvent", { type: "keyDown", key, code: key, windowsVirtualKeyCode: code, ...text });
    await this.send("Input.dispatchKeyEvent", { type: "keyUp", key, code: key, windowsVirtualKeyCode: code });
  }

  async look(width: number, height: number, scheme: "light" | "dark"): Promise<void> {
    await this.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false });
    await this.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
  }

  /** Return a picture of the whole page. */
  async picture(): Promise<Buffer> {
    const { data } = await this.send("Page.captureScreenshot", { captureBeyondViewport: true });
    return Buffer.from(data as string, "base64");
  }

  async end(): Promise<void> {
    const ended = once(this.#process, "close");
    process.kill(-this.#process.pid!, "SIGKILL");
    await ended;
    rmSync(this.#profile, { recursive: true, force: true });
  }
}
