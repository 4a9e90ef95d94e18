// Tells the server that sent this script how the page was loaded, once.
{
  const to = document.currentScript.src;
  let lcp = null;
  let sent = false;
  try {
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) lcp = entry.startTime;
    }).observe({ type: "largest-contentful-paint", buffered: true });
  } catch {
    // The browser does not measure it.
  }
  const send = () => {
    const [page] = performance.getEntriesByType("navigation");
    if (sent || !page) return;
    sent = true;
    const { connectStart, requestStart, responseStart, nextHopProtocol } = page;
    const said = { connectStart, requestStart, responseStart, lcp, nextHopProtocol };
    navigator.sendBeacon(to, JSON.stringify(said));
  };
  // The largest paint is known when the visitor does something or leaves.
  addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") send();
  });
  addEventListener("pagehide", send);
  addEventListener("load", () => setTimeout(send, 10000));
}
