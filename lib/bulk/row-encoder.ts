/** Gathers what a source gives, as one of the formats of COPY. */
export interface RowEncoder {
  /** About how many bytes are there. */
  readonly size: number;
  /** How many rows it was given; undefined where it can't see them. */
  readonly rows: number | undefined;
  /** @throws PgMcpError `BULK_INPUT` that names the row and the column. */
  add(row: unknown): void;
  /** What was gathered since. */
  take(): Buffer;
  /** The rest, and what ends the whole. */
  end(): Buffer;
}
