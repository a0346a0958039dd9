import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  BadRequestException,
  Controller,
  Get,
  HttpException,
  Post,
  Req,
  Res,
  StreamableFile,
  UnsupportedMediaTypeException,
} from '@nestjs/common';
import type { CopyProgress } from 'nestjs-pg-mcp';
import { ProductsService } from './products.service.js';
import { productsOf } from './upload.js';

/** Of data that the table does not take: exceptions and broken constraints (manual, appendix A). */
const WRONG_DATA = /^2[23][0-9A-Z]{3}$/;

/** Many products at once, straight into the table and out of it, whatever their number. */
@Controller('products')
export class ProductsTransferController {
  constructor(private readonly products: ProductsService) {}

  /** `text/csv` with a header, in the form of the export; the lines end as they should or nothing is kept. */
  @Get('export')
  export(): StreamableFile {
    return new StreamableFile(this.products.export(), {
      type: 'text/csv; charset=utf-8',
      disposition: 'attachment; filename="products.csv"',
    });
  }

  /** Answers with a line of JSON for each batch that is stored, and one at the end: all are kept, or none. */
  @Post('import')
  async import(@Req() request: IncomingMessage, @Res() response: ServerResponse): Promise<void> {
    const say = (line: CopyProgress | { imported: number } | { error: string }) => {
      if (!response.headersSent) response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      response.write(`${JSON.stringify(line)}\n`);
    };
    // One behind, so that an upload of one batch can still be refused by its status.
    let last: CopyProgress | undefined;
    try {
      const { rows } = await this.#store(request, (progress) => {
        if (last) say(last);
        last = progress;
      });
      if (last) say(last);
      say({ imported: rows });
    } catch (error) {
      const refusal = refusalOf(error);
      // Or the next request would wait behind the rest of this one.
      request.resume();
      if (!response.headersSent) throw refusal;
      say({ error: refusal instanceof HttpException ? refusal.message : 'the import failed' });
    }
    response.end();
  }

  #store(request: IncomingMessage, onProgress: (progress: CopyProgress) => void) {
    const type = request.headers['content-type']?.split(';')[0]?.trim();
    // Destroyed, it would take the answer with it.
    const upload = request.iterator({ destroyOnReturn: false });
    if (type === 'text/csv') return this.products.importCsv(upload, onProgress);
    if (type === 'application/x-ndjson') return this.products.import(productsOf(request), onProgress);
    throw new UnsupportedMediaTypeException('send text/csv, or application/x-ndjson');
  }
}

function refusalOf(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return WRONG_DATA.test(code) ? new BadRequestException((error as Error).message) : error;
}
