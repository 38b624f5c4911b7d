"""Contrast by WCAG 2.1 of every text of a page against the nearest background that is set; colours come as rgb()."""

CONTRASTS = """(() => {
  const pen = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = colour => {
    pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const light = colour => colour.slice(0, 3).map(value => value / 255)
    .map(value => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = element => {
    for (; element; element = element.parentElement) {
      const colour = rgba(getComputedStyle(element).backgroundColor);
      if (colour[3] === 255) return light(colour);
    }
    return 1;
  };
  const has = element => [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
  return [...document.querySelectorAll("main *:not(script):not(style):not(title), .masthead *, nav *")]
    .filter(element => !element.closest("svg.seal") && has(element)).map(element => {
      const style = getComputedStyle(element), svg = element instanceof SVGElement;
      const one = light(rgba(svg ? style.fill : style.color)), two = behind(element);
      return (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    });
})()"""
