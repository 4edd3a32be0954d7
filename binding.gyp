# The build that `npm ci` and prebuildify run. CMakeLists.txt has the same lists; test/unit/build-files.test.ts compares them.
{
  'targets': [
    {
      'target_name': 'linux_sockets',
      'sources': [
        'native/addon.cc',
        'native/batch.cc',
        'native/environment.cc',
        'native/filter.cc',
        'native/handle.cc',
        'native/interfaces.cc',
        'native/poll.cc',
        'native/receive_batch.cc',
        'native/recipe.cc',
        'native/freestanding.cc',
      ],
      'defines': [
        'NAPI_VERSION=8',
        'NAPI_DISABLE_CPP_EXCEPTIONS',
        'NODE_ADDON_API_DISABLE_DEPRECATED',
        # A worker that is being terminated cannot throw any more; without this node-addon-api ends the process then.
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      # With it glibc's headers turn fcntl into fcntl64, which musl does not have; off_t has 64 bits anyway on what we support.
      'defines!': ['_FILE_OFFSET_BITS=64'],
      # All flags stand in cflags_cc: node's common.gypi takes -Werror out of cflags, and sets a language version of its own, which ours has to follow.
      'cflags_cc': [
        '-std=c++17',
        '-O2',
        '-fno-exceptions',
        '-fno-rtti',
        '-fno-threadsafe-statics',
        '-fvisibility=hidden',
        '-fvisibility-inlines-hidden',
        '-ffunction-sections',
        '-fdata-sections',
        '-fstack-protector-strong',
        '-U_FORTIFY_SOURCE',
        '-Wall',
        '-Wextra',
        '-Wshadow',
        '-Wconversion',
        '-Wunused-parameter',
        '-Werror',
        # A system directory, so that the warnings are about our code only. Relative to build/: the checkout's path may have spaces.
        '-isystem', '../<!(node -p "require(\'node-addon-api\').include_dir")',
      ],
      # -nostdlib: one binary for glibc and musl. Lazy binding: some runtimes lack uv_* functions, and must be able to load what they never call.
      'ldflags': [
        '-nostdlib',
        '-Wl,-z,lazy',
        '-Wl,-z,relro',
        '-Wl,-z,noexecstack',
        '-Wl,--gc-sections',
        '-Wl,--version-script=../scripts/exports.map',
      ],
      'ldflags!': ['-pthread', '-rdynamic'],
      'conditions': [
        # Atomics inline: the out-of-line ones live in libgcc.
        ['target_arch=="arm64"', { 'cflags_cc': ['-mno-outline-atomics'] }],
      ],
    },
  ],
}
