// What the scripts of several components share: an element in one line, and the names under which the page's epoch bar
// and its films hear each other on the document.

const EPOCH = "epoch-atlas:epoch" // from the bar: this epoch is shown now; it also stands in <html data-epoch>
const MOVE = "epoch-atlas:move" // from a film: the reader wants to move

const make = (name, className, text) => {
  const element = document.createElement(name)
  if (className) element.className = className
  if (text !== undefined) element.textContent = text
  return element
}

