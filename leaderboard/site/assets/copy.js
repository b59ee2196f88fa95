// A button beside every command that copies it. Without this file the commands are there to be selected.
"use strict";

for (const box of document.querySelectorAll(".copied")) {
  const command = box.querySelector("pre").textContent;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy the command");
  button.addEventListener("click", async () => {
    button.textContent = (await copied(command)) ? "Copied" : "Select it and copy by keyboard";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  box.append(button);
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {  // pages that are opened as files may not write to the clipboard this way
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
