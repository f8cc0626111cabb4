// Questions before something is done. The server asks on a page of its own; here that page comes as a dialog.

export function ask(root) {
  for (const form of root.querySelectorAll("form[data-ask]")) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        const response = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form, event.submitter)) });
        const page = new DOMParser().parseFromString(await response.text(), "text/html");
        const question = page.getElementById("ask");
        const problem = page.getElementById("problem");
        if (question) show(question);
        else if (problem) complain(form, problem.textContent);
        else form.submit();
      } catch {
        form.submit(); // the browser says what is wrong
      }
    });
  }
}

function show(question) {
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "ask-title");
  dialog.append(question);
  question.querySelector(".cancel").addEventListener("click", (event) => {
    event.preventDefault();
    dialog.close();
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

// complain says beside the form what is wrong with it.
function complain(form, text) {
  form.querySelector(".problem")?.remove();
  const line = document.createElement("p");
  line.className = "answer problem";
  line.dataset.bad = "";
  line.setAttribute("role", "alert");
  line.textContent = text;
  form.append(line);
}
