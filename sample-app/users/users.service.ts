import { Injectable } from '@nestjs/common';
import { PgCluster, UseReplica } from 'nestjs-pg-mcp';

export interface User {
  readonly id: number;
  readonly name: string;
  readonly email: string;
  readonly createdAt: Date;
}

@Injectable()
export class UsersService {
  constructor(private readonly cluster: PgCluster) {}

  @UseReplica()
  async find(id: number): Promise<User | undefined> {
    const { rows } = await this.cluster.query<User>(
      'SELECT id, name, email, created_at AS "createdAt" FROM users WHERE id = $1',
      [id],
    );
    return rows[0];
  }
}
