import { Body, Controller, Get, NotFoundException, Param, Post, Query } from '@nestjs/common';
import { byId, type ById } from '../input.js';
import { newProduct, productFilter, type NewProduct, type ProductFilter } from './products.input.js';
import { ProductsService, type Product } from './products.service.js';

@Controller('products')
export class ProductsController {
  constructor(private readonly products: ProductsService) {}

  @Get()
  list(@Query({ schema: productFilter }) filter: ProductFilter): Promise<Product[]> {
    return this.products.list(filter);
  }

  @Get(':id')
  async find(@Param({ schema: byId }) { id }: ById): Promise<Product> {
    const product = await this.products.find(id);
    if (!product) throw new NotFoundException(`there is no product ${id}`);
    return product;
  }

  @Post()
  create(@Body({ schema: newProduct }) product: NewProduct): Promise<Product> {
    return this.products.create(product);
  }
}
