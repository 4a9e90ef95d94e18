// Shows new figures every two seconds while the page is in view.
"use strict";
const live = document.getElementById("live");
const title = document.title;

function replace(page) {
  for (const section of page.querySelectorAll("main > section")) {
    const shown = document.getElementById(section.id);
    for (const details of section.querySelectorAll("details")) {
      details.open = document.getElementById(details.id)?.open ?? false;
    }
    if (!shown || shown.outerHTML === section.outerHTML) continue;
    const focused = document.activeElement?.closest("details")?.id;
    shown.replaceWith(section);
    if (focused && section.querySelector("details")?.id === focused) {
      document.querySelector(`#${focused} > summary`).focus();
    }
  }
  document.title = page.title;
}

async function refresh() {
  const answer = await fetch("./", { cache: "no-store", signal: AbortSignal.timeout(10000) });
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
}

function say(text) {
  if (live.textContent !== text) live.textContent = text;
}

let answered = new Date();

async function run() {
  // A selection would be lost.
  if (!document.hidden && getSelection().isCollapsed) {
    try {
      await refresh();
      answered = new Date();
      say("Live");
    } catch {
      say(`No answer since ${answered.toLocaleTimeString()}`);
      document.title = `No answer: ${title}`;
    }
  }
  setTimeout(run, 2000);
}

say("Live");
setTimeout(run, 2000);
