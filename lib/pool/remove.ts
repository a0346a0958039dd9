/**
 * Takes an item out of a list; returns whether it was there. For the few things of which one comes and goes with each
 * call: a set makes its table anew whenever it gets empty.
 */
export function remove<T>(list: T[], item: T): boolean {
  const place = list.indexOf(item);
  // As a rule the last that came is the first to go.
  if (place >= 0 && place === list.length - 1) list.pop();
  else if (place >= 0) list.splice(place, 1);
  return place >= 0;
}
