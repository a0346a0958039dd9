import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { BadRequestException } from '@nestjs/common';
import { newProduct, type NewProduct } from './products.input.js';

/** The products of an upload, a line of JSON each; one that is wrong is named by its line. */
export async function* productsOf(upload: Readable): AsyncGenerator<NewProduct> {
  let number = 0;
  for await (const line of createInterface({ input: upload, crlfDelay: Infinity })) {
    number++;
    if (line.trim() !== '') yield productOf(line, number);
  }
}

function productOf(line: string, number: number): NewProduct {
  const { data, error } = newProduct.safeParse(parsed(line, number));
  if (data) return data;
  const faults = error.issues.map(({ path, message }) =>
    [path.join('.'), message].filter(Boolean).join(': '),
  );
  throw new BadRequestException(`line ${number}: ${faults.join('; ')}`);
}

function parsed(line: string, number: number): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    throw new BadRequestException(`line ${number} is no JSON`);
  }
}
