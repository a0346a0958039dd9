import { Body, Controller, Post } from '@nestjs/common';
import { newOrder, type NewOrder } from './orders.input.js';
import { OrdersService, type Order } from './orders.service.js';

@Controller('orders')
export class OrdersController {
  constructor(private readonly orders: OrdersService) {}

  @Post()
  place(@Body({ schema: newOrder }) order: NewOrder): Promise<Order> {
    return this.orders.place(order);
  }
}
