// Brings the parts of a page that are marked data-live up to date when the service says that something happened.
//
// The page is fetched again and the parts are taken out of it: there is one place where they are made, the server.
// Without this script, or without the stream, the page is what it was when it was loaded.
"use strict";
(() => {
  const news = document.getElementById("news");
  if (!news || !window.EventSource || !document.querySelector("[data-live]")) return;
  const words = {
    sealed: (facts) => `A checkpoint of ${facts.checkpoint_size} leaves was sealed.`,
    anchored: (facts) => `The anchor of ${facts.checkpoint_size} leaves is in block ${facts.block_height}.`,
    final: (facts) => `The anchor of ${facts.checkpoint_size} leaves is final.`,
    reorged: (facts) => `The anchor of ${facts.checkpoint_size} leaves left its block; it is sent again.`,
  };
  let stream = null;
  let said = null; // what is to be told when the page is fresh; null: nothing waits
  let isFetching = false;

  // Who is in the middle of a part with the keyboard is not thrown out of it: it stays, and he is told.
  function replaceParts(fresh) {
    let isWhole = true;
    for (const part of document.querySelectorAll("[data-live]")) {
      const made = fresh.getElementById(part.id);
      if (made && part.contains(document.activeElement)) isWhole = false;
      else if (made) part.replaceWith(document.importNode(made, true));
    }
    return isWhole;
  }

  async function refresh() {
    if (isFetching) return;
    isFetching = true;
    try {
      while (said !== null) {
        const text = said;
        said = null;
        const answer = await fetch(location.href, { headers: { accept: "text/html" } });
        if (!answer.ok) continue;
        const isWhole = replaceParts(new DOMParser().parseFromString(await answer.text(), "text/html"));
        if (text) news.textContent = isWhole ? text : `${text} Load the page again to see it here.`;
      }
    } catch {
      // The service cannot be reached: the page stays, and the next event tries again.
    } finally {
      isFetching = false;
    }
  }

  function listen() {
    stream = new EventSource("/v1/events");
    stream.onopen = () => { document.documentElement.dataset.listening = "yes"; };
    for (const kind of Object.keys(words)) {
      stream.addEventListener(kind, (event) => {
        said = words[kind](JSON.parse(event.data).data);
        refresh();
      });
    }
  }

  // Streams are few: a page that nobody looks at has none, and is fresh when it is looked at again.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      if (stream) stream.close();
      stream = null;
    } else if (!stream) {
      listen();
      said = said || "";
      refresh();
    }
  });
  if (!document.hidden) listen();
})();
