// Follows a stream of devices, and keeps its place over every reconnect.
const SHORTEST = 1000, LONGEST = 64000; // milliseconds between attempts

// connect calls onEvent with each envelope, onReset where events are missing for good, and onState with "connecting", "open" or
// "closed".
export function connect(url, { onEvent, onReset, onState }) {
  let place = "", attempt = 0;
  const open = () => {
    const address = new URL(url, document.baseURI);
    if (place) address.searchParams.set("lastEventId", place);
    const source = new EventSource(address);
    const take = (e) => {
      place = e.lastEventId || place;
      let envelope;
      try {
        envelope = JSON.parse(e.data);
      } catch {
        return; // not a device's event
      }
      onEvent(envelope);
    };
    source.addEventListener("data", take);
    source.addEventListener("status", take);
    source.addEventListener("stream-open", (e) => {
      place = e.lastEventId || place;
      attempt = 0;
      onState("open");
    });
    source.addEventListener("stream-reset", (e) => {
      place = e.lastEventId;
      onReset();
    });
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) {
        onState("connecting");
        return;
      }
      onState("closed");
      setTimeout(open, Math.min(SHORTEST * 2 ** attempt++, LONGEST) * (0.7 + 0.6 * Math.random()));
    };
  };
  onState("connecting");
  open();
}
