// On paper everything is open that is on the page.
(() => {
  const reopened = new Set();
  addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("details:not([open])")) {
      one.open = true;
      reopened.add(one);
    }
  });
  addEventListener("afterprint", () => {
    reopened.forEach((one) => { one.open = false; });
    reopened.clear();
  });
})();
