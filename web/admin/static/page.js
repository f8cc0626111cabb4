// What the scripts of the pages share.

const today = new Intl.DateTimeFormat("sv", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });
const another = new Intl.DateTimeFormat("sv", { dateStyle: "short", timeStyle: "medium" });

// localTimes shows the times in the viewer's zone: the time of day, and the date where it is not today's.
export function localTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]:not([datetime=''])")) {
    const time = new Date(element.dateTime);
    element.textContent = (time.toDateString() === new Date().toDateString() ? today : another).format(time).replace(",", ".");
    element.title = time.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
  }
}

// fresh reads this page anew, or the one that says the same where this one is the answer to a form.
export async function fresh(address = location.href) {
  const response = await fetch(address, { headers: { Accept: "text/html" } });
  if (!response.ok) throw Object.assign(new Error(response.statusText), { status: response.status });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  localTimes(page);
  return page;
}

const REST = 2000; // a pointer that has not moved for so long is not on its way to a link
let moved = -REST;
addEventListener("pointermove", () => (moved = performance.now()), { passive: true });

// reading tells that the viewer's pointer moves over the element, that the viewer is in it, or has selected something of it: it
// must not change then.
export function reading(element) {
  const selection = getSelection();
  return (element.matches(":hover") && performance.now() - moved < REST) || element.contains(document.activeElement) ||
    (!selection.isCollapsed && selection.containsNode(element, true));
}
