// Numbers that are the same for the same seed: a run can be had again.

export class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  // 0 to 1, one of 2^32 (mulberry32).
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  // from … to, both included.
  integer(from, to) {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  one(list) {
    return list[this.integer(0, list.length - 1)];
  }

  // So many different ones of a list, in any order.
  some(list, count) {
    const rest = list.slice();
    const taken = [];
    while (taken.length < count && rest.length > 0) taken.push(rest.splice(this.integer(0, rest.length - 1), 1)[0]);
    return taken;
  }

  chance(of) {
    return this.next() < of;
  }

  // A day of 2023 to 2026-10, ISO.
  day() {
    return new Date(Date.UTC(2023, 0, 1) + this.integer(0, 1390) * 86400000).toISOString().slice(0, 10);
  }

  // By weights: { name: weight, … }.
  weighted(weights) {
    const names = Object.keys(weights);
    let rest = this.next() * names.reduce((sum, name) => sum + weights[name], 0);
    for (const name of names) {
      rest -= weights[name];
      if (rest < 0) return name;
    }
    return names[0];
  }
}
