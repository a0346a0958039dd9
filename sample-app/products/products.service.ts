import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { PgCluster, UseMaster, UseReplica, type CopyProgress, type CopyResult } from 'nestjs-pg-mcp';
import type { NewProduct, ProductFilter } from './products.input.js';

export interface Product {
  readonly id: number;
  readonly name: string;
  readonly category: string;
  readonly price: number;
  readonly stock: number;
}

const COLUMNS = 'id, name, category, price::float8 AS price, stock';

const NEW = ['name', 'category', 'price', 'stock'];

type OnProgress = (progress: CopyProgress) => void;

@Injectable()
export class ProductsService {
  constructor(private readonly cluster: PgCluster) {}

  @UseReplica()
  async list({ category, limit }: ProductFilter): Promise<Product[]> {
    const { rows } = await this.cluster.query<Product>(
      `SELECT ${COLUMNS} FROM products WHERE $1::text IS NULL OR category = $1 ORDER BY id LIMIT $2`,
      [category, limit],
    );
    return rows;
  }

  @UseReplica()
  async find(id: number): Promise<Product | undefined> {
    const { rows } = await this.cluster.query<Product>(`SELECT ${COLUMNS} FROM products WHERE id = $1`, [id]);
    return rows[0];
  }

  /** Returns the row as the primary has it, so nobody needs to read it from a replica that has not got it yet. */
  @UseMaster()
  async create({ name, category, price, stock }: NewProduct): Promise<Product> {
    const { rows } = await this.cluster.query<Product>(
      `INSERT INTO products (name, category, price, stock) VALUES ($1, $2, $3, $4) RETURNING ${COLUMNS}`,
      [name, category, price, stock],
    );
    const [created] = rows;
    if (!created) throw new Error('an INSERT ... RETURNING returned no row');
    return created;
  }

  @UseMaster()
  import(products: AsyncIterable<NewProduct>, onProgress: OnProgress): Promise<CopyResult> {
    return this.cluster.copyFrom('products', { columns: NEW, onProgress }, products);
  }

  /** Of a file with a header and the columns `name, category, price, stock`. */
  @UseMaster()
  importCsv(file: AsyncIterable<Uint8Array>, onProgress: OnProgress): Promise<CopyResult> {
    return this.cluster.copyFrom('products', { columns: NEW, format: 'csv', header: true, onProgress }, file);
  }

  @UseReplica()
  export(): Readable {
    const products = `SELECT ${NEW.join(', ')} FROM products ORDER BY id`;
    return this.cluster.copyTo(products, { format: 'csv', header: true });
  }
}
