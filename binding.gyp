# Hands the build to CMake, so that node-gyp and prebuildify make the same addon as cmake-js.
{
  'targets': [{
    'target_name': 'isotorch',
    'type': 'none',
    'actions': [{
      'action_name': 'cmake_js',
      'inputs': ['CMakeLists.txt', 'scripts/setup.mjs', '<!@(node -p "require(\'fs\').readdirSync(\'native\', { recursive: true }).filter((f) => /\\.(cc|cuh?|h)$/.test(f)).map((f) => \'native/\' + f).join(\' \')")'],
      'outputs': ['<(module_root_dir)/build/Release/isotorch.node'],
      'action': ['<!(node -p process.execPath)', '<(module_root_dir)/scripts/setup.mjs', '--only', 'native'],
    }],
  }],
}
