// env/env.h: all interfaces of a node to the outside. Only main() and the
// simulator's world build an Env.
//
// Include the header of the part that you use, and this one only to pass all
// parts along.
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

// References to parts that outlive the node. A component should take only the
// parts that it uses.
struct Env {
  Loop& loop;
  Disk& disk;
  Transport& transport;
  Streams& streams;
  Tracer& tracer;
  Buggify& buggify;
  Process& process;
  // Differs from one start of the program to the next. Identifiers that must
  // not repeat are drawn from it.
  Random random;
  // The same for keys that clients must not know. Its seed cannot be computed
  // from draws of `random`, which clients see. No draw of it is ever shown.
  Random secrets;
  // Null: no stream is encrypted.
  Certificates* certificates = nullptr;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_ENV_H_
