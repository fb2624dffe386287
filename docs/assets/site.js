// What the theme lacks for readers who use the keyboard or hear the page.
addEventListener("load", () => {
  document.querySelector(".md-search").setAttribute("aria-label", "Search");
  // Code and tables that scroll sideways can then be scrolled by keys. The theme does so for code alone, and for a mouse.
  const update = (element) => {
    if (element.scrollWidth > element.clientWidth) {
      element.tabIndex = 0;
    }
  };
  const observer = new ResizeObserver((entries) => entries.forEach(({ target }) => update(target)));
  document.querySelectorAll(".md-typeset pre > code, .md-typeset__scrollwrap").forEach((element) => observer.observe(element));
});
