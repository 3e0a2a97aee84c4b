/** Something to dispose when a turn is over. */
type Turn = Disposable;

interface Waiting {
  readonly rank: number;
  begin(): void;
}

/** A few turns at once; among those who wait, the lowest rank is next. */
export class Turns {
  #free: number;
  readonly #waiting: Waiting[] = [];

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  async take(rank: number): Promise<Turn> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((begin) => this.#waiting.push({ rank, begin }));
    return { [Symbol.dispose]: () => this.#giveBack() };
  }

  #giveBack(): void {
    const next = this.#waiting.reduce<Waiting | undefined>(
      (best, one) => (best && best.rank <= one.rank ? best : one),
      undefined,
    );
    if (next === undefined) {
      this.#free++;
      return;
    }
    this.#waiting.splice(this.#waiting.indexOf(next), 1);
    next.begin();
  }
}
