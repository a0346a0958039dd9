import {
  Controller,
  Injectable,
  Module,
  Post,
  UseGuards,
  UseInterceptors,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { UseMaster, UseReplica } from 'nestjs-pg-mcp';
import { from, mergeMap, type Observable } from 'rxjs';
import { Notes, type Entrance, type Payload } from './entrance.js';
import { callsOf } from './http.js';

const textOf = (context: ExecutionContext) =>
  context.switchToHttp().getRequest<{ body: Payload }>().body.text;

@Injectable()
class WritingGuard implements CanActivate {
  constructor(readonly notes: Notes) {}

  @UseMaster({ session: true })
  async canActivate(context: ExecutionContext): Promise<boolean> {
    await this.notes.write(textOf(context));
    return true;
  }
}

@Injectable()
class LookingInterceptor implements NestInterceptor {
  constructor(readonly notes: Notes) {}

  @UseReplica()
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(mergeMap(() => from(this.notes.look(textOf(context)))));
  }
}

@Controller('parts')
@UseInterceptors(LookingInterceptor)
class NothingItself {
  @Post('write')
  @UseGuards(WritingGuard)
  write(): void {}

  @Post('look')
  look(): void {}
}

@Module({ controllers: [NothingItself], providers: [WritingGuard, LookingInterceptor] })
class PartsApi {}

export const requestParts: Entrance = {
  name: 'a guard or interceptor of a request',
  module: () => PartsApi,
  open: (app) => callsOf(app, 'parts'),
};
