// A second wall around a client's thread, the kernel's (Landlock): whatever a copy is talked into, it opens
// nothing outside one directory but the few files that the libraries need.
#pragma once

#include <string>
#include <vector>

#include "ground/descriptor.h"

namespace rdpipe {

struct Confinement {
  bool holds = false;    // false: nothing is confined, since the kernel cannot
  std::string reason{};  // ... why: "the kernel has no Landlock", for a log
  // What must stay open as long as it is to hold: the kernel knows files of /proc only while somebody has
  // them open.
  std::vector<Descriptor> pins{};
};

// Confines the calling thread, and all threads that it starts from now on, for good: of files and directories
// it opens only those beneath `directory` for reading (which may be O_PATH; a path that leads through a
// descriptor is judged by where it ends), and with `may_write` it writes, makes, removes, links and renames
// beneath it, also from one directory to another. It executes nothing. Outside it reads the files and
// directories `readable`, does what it likes beneath the directories `writable` (those that are missing are
// skipped), and reads what names of users, the C library and
// RDMA devices need. Descriptors that are open, sockets, and changes of modes, owners, times and attributes
// are not judged. In any case it cannot get privileges by executing anything either (no_new_privs).
//
// Other threads are as they were. A Loop is to be made afterwards, since its threads are those of its maker.
// So is whatever opens RDMA devices: their drivers take no more commands of a thread whose credentials have
// changed since, and this changes them (post_send of rxe and siw, and all of rdma_cm). One that confines
// itself, then opens them and starts threads shares them with these.
// Throws Error{kEndpoint} where the kernel could and would not.
[[nodiscard]] Confinement confine_thread(int directory, bool may_write,
                                         const std::vector<std::string>& readable = {},
                                         const std::vector<std::string>& writable = {});

}  // namespace rdpipe
