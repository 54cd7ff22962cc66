// env/env.h: the outside, as one node sees it. Only main() and the simulator's world build one.
//
// What a node is built on: include the part you use, and this only to pass all of them along.
#ifndef QUORATE_ENV_ENV_H_
#define QUORATE_ENV_ENV_H_

#include "env/buggify.h"
#include "env/byte_streams.h"
#include "env/disk.h"
#include "env/loop.h"
#include "env/process.h"
#include "env/random.h"
#include "env/tracer.h"
#include "env/transport.h"

namespace quorate::env {

// References to parts that outlive the node built on them. Each part can be had alone: take the narrowest that serves.
struct Env {
  Loop& loop;
  Disk& disk;
  Transport& transport;
  Streams& streams;
  Tracer& tracer;
  Buggify& buggify;
  Process& process;
  Random random;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_ENV_H_
