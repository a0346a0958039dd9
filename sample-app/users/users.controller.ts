import { Controller, Get, NotFoundException, Param } from '@nestjs/common';
import { byId, type ById } from '../input.js';
import { UsersService, type User } from './users.service.js';

@Controller('users')
export class UsersController {
  constructor(private readonly users: UsersService) {}

  @Get(':id')
  async find(@Param({ schema: byId }) { id }: ById): Promise<User> {
    const user = await this.users.find(id);
    if (!user) throw new NotFoundException(`there is no user ${id}`);
    return user;
  }
}
