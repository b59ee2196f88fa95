// Welch's t-test and Holm's correction, as mae_bench/boards/significance.py makes them with SciPy.
"use strict";

// The logarithm of the gamma function (Lanczos, g = 7, n = 9), for x > 0.
function logGamma(x) {
  const parts = [
    0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
    12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ];
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const base = x + 6.5;
  const sum = parts.slice(1).reduce((total, part, index) => total + part / (x + index), parts[0]);
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(base) - base + Math.log(sum);
}

// The regularised incomplete beta function I_x(a, b), by its continued fraction (Lentz's method).
function incompleteBeta(x, a, b) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log(1 - x)) / a;
  const tiny = 1e-300;
  const away = (value) => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m <= 1000; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    fraction *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    fraction *= d * c;
    if (Math.abs(d * c - 1) < 1e-15) break;
  }
  return front * fraction;
}

// The two-sided p-value of two samples [mean, std, n]; null unless both have two seeds and one of them a spread.
function welch(first, second) {
  const [[meanA, stdA, nA], [meanB, stdB, nB]] = [first, second];
  if (nA < 2 || nB < 2 || stdA === null || stdB === null || !(stdA || stdB)) return null;
  const [partA, partB] = [stdA ** 2 / nA, stdB ** 2 / nB];
  const t = (meanA - meanB) / Math.sqrt(partA + partB);
  const freedom = (partA + partB) ** 2 / (partA ** 2 / (nA - 1) + partB ** 2 / (nB - 1));
  return incompleteBeta(freedom / (freedom + t ** 2), freedom / 2, 0.5);
}

// Which p-values Holm's step-down procedure rejects; null is no test.
function holm(values, alpha) {
  const order = [...values.keys()].filter((i) => values[i] !== null).sort((i, j) => values[i] - values[j]);
  const rejected = values.map(() => false);
  for (const [step, i] of order.entries()) {
    if (values[i] > alpha / (order.length - step)) break;
    rejected[i] = true;
  }
  return rejected;
}
