/* Lists of stores with tick boxes: a search that narrows them, and what is chosen said in the line that is always seen. */
(function () {
  "use strict";

  function say(pick) {
    var chosen = Array.from(pick.querySelectorAll('.pick-list input:checked'), function (box) { return box.dataset.short; });
    var line = pick.querySelector("[data-pick-said]");
    var few = chosen.slice(0, 8).join(", ") + (chosen.length > 8 ? " …" : "");
    line.textContent = chosen.length ? line.dataset.some.replace("__n__", chosen.length) + " (" + few + ")" : line.dataset.none;
  }

  function narrow(pick) {
    var words = pick.querySelector("[data-pick-search]").value.toLowerCase().split(/\s+/).filter(Boolean);
    var found = 0;
    pick.querySelectorAll("[data-pick-group]").forEach(function (group) {
      var shown = 0;
      group.querySelectorAll("label").forEach(function (label) {
        var text = (label.textContent + " " + group.dataset.pickGroup).toLowerCase();
        label.hidden = !words.every(function (word) { return text.indexOf(word) >= 0; });
        shown += label.hidden ? 0 : 1;
      });
      group.hidden = shown === 0;
      found += shown;
    });
    pick.querySelector("[data-pick-nothing]").hidden = found > 0;
  }

  /* Without a script there is nothing that would search, so the field comes with it; rows may be added later. */
  function offer(scope) {
    scope.querySelectorAll("[data-pick-search]").forEach(function (search) { search.hidden = false; });
  }
  document.addEventListener("DOMContentLoaded", function () { offer(document); });
  document.addEventListener("toggle", function (event) { offer(event.target); }, true);
  document.addEventListener("change", function (event) {
    var pick = event.target.closest("[data-pick]");
    if (pick && event.target.type === "checkbox") { say(pick); }
  });
  document.addEventListener("input", function (event) {
    if (event.target.matches("[data-pick-search]")) { narrow(event.target.closest("[data-pick]")); }
  });
  document.addEventListener("keydown", function (event) {
    if (event.key === "Enter" && event.target.matches("[data-pick-search]")) { event.preventDefault(); }
  });
})();
