import { Controller, Get } from '@nestjs/common';
import { PgCluster, type ClusterStatus } from 'nestjs-pg-mcp';

@Controller('cluster')
export class ClusterController {
  constructor(private readonly cluster: PgCluster) {}

  /** What the application last saw of every node, and its connections at this moment. */
  @Get()
  status(): ClusterStatus {
    return this.cluster.getStatus();
  }
}
