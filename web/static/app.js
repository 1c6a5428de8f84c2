/* Small behaviours of the pages: the menu on small screens, asking before what cannot be undone, rows that can be added. */
(function () {
  "use strict";

  document.addEventListener("click", function (event) {
    var toggle = event.target.closest("[data-toggle-menu]");
    if (toggle) {
      var menu = document.getElementById(toggle.getAttribute("aria-controls"));
      var open = menu.classList.toggle("show");
      toggle.setAttribute("aria-expanded", String(open));
      return;
    }
    var copy = event.target.closest("[data-copy]");
    if (copy && navigator.clipboard) {
      navigator.clipboard.writeText(document.querySelector(copy.dataset.copy).textContent.trim());
      copy.textContent = copy.dataset.copied;
      return;
    }
    if (event.target.closest("[data-print]")) { window.print(); return; }
    var add = event.target.closest("[data-add-row]");
    if (add) {
      var template = document.getElementById(add.dataset.addRow);
      var list = document.getElementById(template.dataset.list);
      var index = list.children.length;
      var holder = document.createElement("div");
      holder.innerHTML = template.innerHTML.replaceAll("__n__", String(index));
      var row = holder.firstElementChild;
      list.appendChild(row);
      reveal(row);
      var first = row.querySelector("input, select, textarea");
      if (first) { first.focus(); }
    }
  });

  document.addEventListener("submit", function (event) {
    var form = event.target;
    var question = (event.submitter && event.submitter.dataset.confirm) || form.dataset.confirm;
    if (!question || form.dataset.confirmed) { return; }
    event.preventDefault();
    var dialog = document.getElementById("confirm");
    var submitter = event.submitter;
    dialog.querySelector("[data-question]").textContent = question;
    dialog.returnValue = "";
    dialog.onclose = function () {
      if (dialog.returnValue === "yes") {
        form.dataset.confirmed = "yes";
        form.requestSubmit(submitter || undefined);
        delete form.dataset.confirmed;
      } else if (submitter) { submitter.focus(); }
    };
    dialog.showModal();
  });

  /* A choice may show the part of the form that belongs to it: data-shows="#id" on the chosen option or radio. */
  function reveal(scope) {
    scope.querySelectorAll("[data-when]").forEach(function (part) {
      var pair = part.dataset.when.split("=");
      var fields = document.querySelectorAll('[name="' + pair[0] + '"]');
      var value = "";
      fields.forEach(function (field) { if (field.type !== "radio" || field.checked) { value = field.value; } });
      var on = pair[1].split("|").indexOf(value) >= 0;
      part.hidden = !on;
      part.querySelectorAll("input, select, textarea").forEach(function (field) { field.disabled = !on; });
    });
  }
  document.addEventListener("change", function () { reveal(document); });
  document.addEventListener("DOMContentLoaded", function () { reveal(document); });
  document.addEventListener("htmx:afterSettle", function () { reveal(document); });
  document.addEventListener("htmx:configRequest", function (event) {
    event.detail.headers["X-CSRFToken"] = document.querySelector('meta[name="csrf-token"]').content;
  });
})();
