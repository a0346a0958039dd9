import { Body, Controller, Get, NotFoundException, Param, Post } from '@nestjs/common';
import { byId, type ById } from '../input.js';
import { newOrder, type NewOrder } from './orders.input.js';
import { OrdersService, type Order } from './orders.service.js';

@Controller('orders')
export class OrdersController {
  constructor(private readonly orders: OrdersService) {}

  @Post()
  place(@Body({ schema: newOrder }) order: NewOrder): Promise<Order> {
    return this.orders.place(order);
  }

  @Get(':id')
  async find(@Param({ schema: byId }) { id }: ById): Promise<Order> {
    const order = await this.orders.find(id);
    if (!order) throw new NotFoundException(`there is no order ${id}`);
    return order;
  }
}
