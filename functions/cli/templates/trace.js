// Everything on the page is there without this; it adds copying.
document.querySelectorAll(".copy").forEach((button) => { button.hidden = false; });
copyButtons(document.querySelector("main"));
