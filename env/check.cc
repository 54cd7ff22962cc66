#include "env/check.h"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace quorate {
namespace {
// The only mutable static state that pure code may have.
CheckHandler g_handler = nullptr;
}  // namespace

CheckHandler SetCheckHandler(CheckHandler handler) {
  CheckHandler previous = g_handler;
  g_handler = handler;
  return previous;
}

namespace check_internal {

Failure::Failure(const char* file, int line, const char* condition) {
  stream_ << file << ":" << line << ": CHECK failed: " << condition << " ";
}

Failure::~Failure() {
  const std::string message = stream_.str();
  if (g_handler != nullptr) {
    g_handler(message);
  } else {
    std::fprintf(stderr, "%s\n", message.c_str());
  }
  std::abort();
}

}  // namespace check_internal
}  // namespace quorate
