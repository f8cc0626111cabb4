/** An event of a stream. */
export interface GriphubEvent {
  /** The event's type; "message" where it has none. */
  type: string;
  /** Its data as text, which is JSON unless it was published raw. */
  data: string;
  /** The place after it in the stream, a cursor; empty for events that are not kept. */
  id: string;
  /** How often the event was sent again; not there for the first time. */
  replay?: number;
  /** With replay: the event's id in the log, which it had the first time. */
  eventId?: string;
}

export type GriphubState = "connecting" | "open" | "closed";

export interface GriphubOptions {
  /** Gets each event once, in order. */
  onEvent?(event: GriphubEvent): void;
  /** History was lost: what the page shows may be wrong. channels are those whose events are missing. */
  onReset?(reset: { channels: string[] }): void;
  /** Says how it stands, at once and when that changes. */
  onState?(state: GriphubState): void;
  /** An attempt has failed, or a connection ended; another follows. For logs: there is nothing to do. */
  onError?(error: Error): void;
  /** Sends cookies to another origin. */
  withCredentials?: boolean;
  /** Where to begin, a cursor; without it and without lastEventId in the address, now. */
  lastEventId?: string;
  /** false has a connection of its own. */
  shared?: boolean;
}

export interface GriphubConnection {
  close(): void;
}

/** Follows a stream until it is closed. The address may be relative, and may hold lastEventId. */
export function connect(url: string | URL, options?: GriphubOptions): GriphubConnection;

export interface DjangoRealtimeOptions extends Pick<GriphubOptions, "withCredentials" | "lastEventId" | "shared"> {
  endpoint?: string;
  onMessage?(detail: any): void;
  onConnect?(): void;
  onError?(event: Event): void;
  debug?: boolean;
}

export interface DjangoRealtime {
  connect(options?: DjangoRealtimeOptions): GriphubConnection;
  /** Calls back for events of the type; returns what ends that. */
  subscribe(type: string, callback: (detail: any) => void): () => void;
}

export const DjangoRealtime: DjangoRealtime;

declare global {
  interface Window {
    /** Set by the classic script. */
    griphub: { connect: typeof connect };
    DjangoRealtime: DjangoRealtime;
    /** The connection of <script src="/griphub.js" data-connect>. */
    djangoRealtimeConnection?: GriphubConnection;
  }
}
