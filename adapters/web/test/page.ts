// What tests ask of the page.

/** An expression that waits until the page has an answer to all that it asked its worker. */
export const SETTLED = `new Promise((resolve) => {
  const root = document.documentElement;
  const look = () => root.dataset.state === "ready" && (observer.disconnect(), resolve());
  const observer = new MutationObserver(look);
  observer.observe(root, { attributes: true });
  look();
})`;
