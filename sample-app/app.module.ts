import { Module, StandardSchemaValidationPipe, type DynamicModule } from '@nestjs/common';
import { APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import { TerminusModule } from '@nestjs/terminus';
import { PrometheusModule } from '@willsoto/nestjs-prometheus';
import { PgMcpModule, type ClusterConfig } from 'nestjs-pg-mcp';
import { PgMcpHealthModule } from 'nestjs-pg-mcp/health';
import { PgMcpMetricsModule } from 'nestjs-pg-mcp/metrics';
import { ClusterController } from './cluster.controller.js';
import { DatabaseErrorInterceptor } from './database-error.interceptor.js';
import { HealthController } from './health.controller.js';
import { OrdersController } from './orders/orders.controller.js';
import { OrdersService } from './orders/orders.service.js';
import { ProductsController } from './products/products.controller.js';
import { ProductsTransferController } from './products/products.transfer.controller.js';
import { ProductsService } from './products/products.service.js';
import { Seed } from './seed.js';
import { UsersController } from './users/users.controller.js';
import { UsersService } from './users/users.service.js';

@Module({
  imports: [TerminusModule, PgMcpHealthModule, PrometheusModule.register(), PgMcpMetricsModule],
  // `products/export` stands before `products/:id`.
  controllers: [
    UsersController,
    ProductsTransferController,
    ProductsController,
    OrdersController,
    ClusterController,
    HealthController,
  ],
  providers: [
    UsersService,
    ProductsService,
    OrdersService,
    Seed,
    { provide: APP_PIPE, useClass: StandardSchemaValidationPipe },
    { provide: APP_INTERCEPTOR, useClass: DatabaseErrorInterceptor },
  ],
})
export class AppModule {
  /** @param config The path of a file like `config/db_cluster.json`, or its content. */
  static on(config: string | ClusterConfig): DynamicModule {
    return {
      module: AppModule,
      imports: [PgMcpModule.forRootAsync({ useFactory: () => ({ config }) })],
    };
  }
}
