// Trees for tests: a scratch directory, and copies pumped by hand from a TreeSource into a TreeSink.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "files/scratch.h"
#include "io/loop.h"
#include "ring/ring.h"
#include "tree/tree_sink.h"
#include "tree/tree_source.h"

namespace rdpipe::test {

struct Copied {
  CopyReport report;
  std::vector<std::string> notices, listed;
};

// Every piece of one into the other, and notes back, as send and receive would pass them.
inline void pump(Loop& loop, Ring& ring, TreeSource& source, TreeSink& sink) {
  source.start(loop, ring, ring.shape().slot_size);
  sink.start(loop, ring, {});
  bool ended = false;
  while (!sink.committed()) {
    sink.poll();
    while (auto note = sink.take_note()) source.note(*note);
    if (sink.committed()) break;
    auto event = ended ? std::nullopt : source.poll(true);
    if (!event) {
      wait_for_something(loop);
    } else if (std::holds_alternative<SourceEnd>(*event)) {
      ended = true;
      sink.finish();
    } else if (auto* filled = std::get_if<Filled>(&*event)) {
      sink.write(std::move(filled->slot));
    } else {
      sink.write_hole({}, std::get<Hole>(*event).length);
    }
  }
  while (auto note = sink.take_note()) source.note(*note);
}

inline Copied copy_trees(const std::vector<std::string>& sources, const std::string& destination,
                         CopyOptions options, RingShape shape = {64_KiB, 8}) {
  Copied copied;
  options.notice = [&](const std::string& line) { copied.notices.push_back(line); };
  options.listed = [&](const std::string& line) { copied.listed.push_back(line); };
  Loop loop;
  Ring ring(shape);
  TreeSource source(sources, options, "sender");
  TreeSink sink(destination, options, "receiver");
  pump(loop, ring, source, sink);
  copied.report = source.report();
  copied.report.failed += source.take_removals().run(options.notice);
  return copied;
}

inline CopyOptions archive() {
  CopyOptions options;
  options.recursive = options.perms = options.times = options.owner = options.group = true;
  options.devices = options.specials = options.hard_links = options.acls = options.xattrs = true;
  options.out_format = "%i %n%L";
  return options;
}

}  // namespace rdpipe::test
